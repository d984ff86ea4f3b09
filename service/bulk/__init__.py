"""Archives of recordings, analysed by a pool of Ray workers into a Parquet table."""
