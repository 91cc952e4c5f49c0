"""The model worker: one interface (`Worker`), wherever the model runs; `connect()` finds or starts one."""
