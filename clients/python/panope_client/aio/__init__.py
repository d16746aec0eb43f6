"""The client for asyncio; `panope_client.sync` is generated from it, all but what threads do in their own way."""
