"""The web app: pages over the functions' HTTP surface."""
