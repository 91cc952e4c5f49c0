"""What tests and tools share: made data, stand-ins for engine and worker, and running explorers and pages."""
