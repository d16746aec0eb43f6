"""How a model comes to serve: its files fetched, converted where need be, its instances placed and started."""
