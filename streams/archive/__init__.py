"""The raw archive: ``weir.raw`` as Parquet files, for as long as its owner wants to keep it."""
