"""What only a local stack needs: its broker, its ports, its processes, the first start's downloads."""
