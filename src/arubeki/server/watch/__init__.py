"""From revisions to streams of events: one encoding for all who want the same."""
