"""Between users' data and a model's arrays, and every error about data."""
