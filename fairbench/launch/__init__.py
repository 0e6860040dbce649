"""From a request to finished cells: resolve, train, evaluate, record."""
