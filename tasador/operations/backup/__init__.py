"""Backup and restore of a platform: databases, buckets, registry, Metaflow's runs and cards.

A folder of backups holds each content once, named by its SHA-256, and a JSON manifest for each
backup, written last: a backup without one does not exist. ``create`` and ``restore``
have the order, docs/decisions/0063-backup-order.md why it is consistent.
"""
