"""From a candidate to what readers query: the record of builds, names, the swap."""
