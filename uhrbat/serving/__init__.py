"""The model worker: one interface (`Worker`), wherever the model runs; `connect()` finds or starts one.

from uhrbat.serving import connect, query
with connect() as worker:
    image = worker.store("harbour.tif")
    job = worker.ask(query(image, "How many ships are there?"), budget=3000)
    print(job.result().answer.text)
"""

from uhrbat.serving.client.connect import connect
from uhrbat.serving.client.worker import Worker
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import Query, query

__all__ = ["Job", "Query", "Worker", "connect", "query"]
