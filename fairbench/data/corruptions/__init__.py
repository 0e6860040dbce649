"""The 19 common corruptions of CIFAR-10-C, written from their definitions, and folders in its layout."""
