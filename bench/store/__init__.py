"""The store under a hundred million events: how large it becomes, how fast it answers and takes rows."""
