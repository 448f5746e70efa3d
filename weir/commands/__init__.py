"""One command a module; `weir.cli` registers them."""
