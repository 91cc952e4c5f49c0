# One image for the page and the worker; compose.yaml starts both. Never built: there was no Docker where it was written.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=user . .

USER 1000
ENV GRADIO_SERVER_NAME=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 7860 8000
CMD ["python", "app.py"]
