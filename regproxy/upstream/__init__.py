"""All that leaves the house: requests to registries, their token services and the hosts they redirect to."""
