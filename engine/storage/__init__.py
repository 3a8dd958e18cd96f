"""Models and trainings on disk: safetensors files, written whole or not at all, read warily."""
