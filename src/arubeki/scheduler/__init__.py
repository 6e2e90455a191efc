"""Which node a Pod runs on: filter, score, bind."""
