def prune():
    pass
