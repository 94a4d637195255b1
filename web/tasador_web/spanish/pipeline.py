"""The page Pipeline."""

from __future__ import annotations

PIPELINE = {
    ", took {time}": ", duró {time}",
    "a person": "una persona",
    "Began with": "Empezó con",
    "began {time}": "empezó el {time}",
    "Card of {flow}": "Tarjeta de {flow}",
    "Cards of {flow}": "Tarjetas de {flow}",
    "Close": "Cerrar",
    "Correlation id: ": "Identificador de correlación: ",
    "From your machine: “tasador connect”, then “python flows/drift.py card view judge”. “argo "
    "logs” shows what a step printed.": "Desde su equipo: «tasador connect» y después «python "
    "flows/drift.py card view judge». «argo logs» muestra lo que escribió un paso.",
    "Gate": "Controles",
    "Its log or card says more.": "Su registro o su tarjeta dicen más.",
    "Log of {flow}": "Registro de {flow}",
    "Metaflow's UI shows the log and the card of each run.": "La interfaz de Metaflow muestra el "
    "registro y la tarjeta de cada ejecución.",
    "Monitor": "Supervisión",
    "no batch": "sin lote",
    "no news since {time}": "sin noticias desde el {time}",
    "not needed": "no hace falta",
    "not part of a rollback": "no forma parte de un restablecimiento",
    "not yet": "todavía no",
    "Nothing is learned from a broken feed.": "De datos defectuosos no se aprende.",
    "Open in a tab": "Abrir en una pestaña",
    "requested by monitoring": "solicitado por la supervisión",
    "Rollback: version {version}": "Restablecimiento: versión {version}",
    "rolled back by {name}": "restablecida por {name}",
    "running": "en curso",
    "Runs of {flow}": "Ejecuciones de {flow}",
    "since {time}": "desde el {time}",
    "The champion keeps serving.": "El campeón sigue en servicio.",
    "The loop has not begun. “tasador pipeline” fetches the first batches.": "El ciclo no ha "
    "empezado. «tasador pipeline» trae los primeros lotes.",
    "The turns are not known now.": "Ahora no se puede consultar el ciclo.",
    "took {time}": "duró {time}",
    "Train": "Entrenamiento",
    "Training": "Entrenamiento",
    "Training: version {version}": "Entrenamiento: versión {version}",
    "Turn of the loop": "Vuelta del ciclo",
    "Turns of the loop, newest first": "Vueltas del ciclo, las más recientes primero",
    "Where the loop stands: each batch is ingested and judged, and may lead to a new model.": "En "
    "qué punto está el ciclo: cada lote se ingiere y se evalúa, y puede llevar a un modelo nuevo.",
    "{refused} of {count} row refused": "{refused} de {count} fila descartadas",
    "{refused} of {count} rows refused": "{refused} de {count} filas descartadas",
}
