"""Made-up data, doors without passwords and a live crowd, on this machine alone. Nothing of it exists outside `testing-platform demo`."""
