"""The pages Service and Activity."""

from __future__ import annotations

SERVICE = {
    "95 in 100 took": "95 de cada 100 tardaron",
    "Code": "Código",
    "Features": "Variables",
    "from batches": "Lotes",
    "Half of the answers took": "La mitad tardó",
    "Homes priced for it": "Viviendas valoradas para medirlo",
    "How fast it answers": "Con qué rapidez responde",
    "How well it prices": "Con qué acierto valora",
    "In the 95 % interval": "En el intervalo del 95 %",
    "Model in service": "Modelo en servicio",
    "of properties": "Inmuebles",
    "On homes that it has not learned from": "Con viviendas de las que no ha aprendido",
    "The model in service, and how fast it answers.": "El modelo en servicio y con qué rapidez "
    "responde.",
    "Trained": "Entrenado",
    "Trained on rows": "Filas de entrenamiento",
    "unknown": "desconocido",
    "up to {time} ms": "hasta {time} ms",
}

ACTIVITY = {
    "Actions": "Acciones",
    "Actions, newest first": "Acciones, las más recientes primero",
    "command line": "línea de comandos",
    "Detail": "Detalle",
    "done": "hecho",
    "Nobody has done anything yet.": "Nadie ha hecho nada todavía.",
    "refused": "denegado",
    "Sign in to see who did what.": "Inicie sesión para ver quién hizo qué.",
    "Target": "Objeto",
    "unfinished": "sin terminar",
    "What": "Qué",
    "Who": "Quién",
    "Who did what, and how it ended. Roll-backs and approvals are also on the page "
    "Models.": "Quién hizo qué y cómo terminó. Los restablecimientos y las aprobaciones están "
    "también en la página Modelos.",
}
