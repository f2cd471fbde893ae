"""Parts of `kill_campaign.py`."""
