"""The embedded platform: every service that the loop needs, on one machine and without Docker.

``platform`` starts and stops the parts, ``process`` runs them as daemons, ``endpoints`` chooses
ports and secrets, ``ports`` says who uses a port; the other modules describe one part each.

May import ``tasador.operations.provision`` and what lies below it; nothing else of Tasador imports
this folder except the command line.
"""
