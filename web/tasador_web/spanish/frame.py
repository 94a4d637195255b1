"""The frame of every page, and errors."""

from __future__ import annotations

FRAME = {
    "Activity": "Actividad",
    "Approve or decline it": "Aprobarla o rechazarla",
    "Batch": "Por lotes",
    "Cancel": "Cancelar",
    "Compare": "Comparar",
    "Copied": "Copiado",
    "Copy": "Copiar",
    "Market": "Mercado",
    "Models": "Modelos",
    "Not allowed here": "No se permite aquí",
    "Pages": "Páginas",
    "Pages: ": "Páginas: ",
    "Pipeline": "Proceso",
    "Predictions": "Predicciones",
    "Service": "Servicio",
    "Sign in": "Iniciar sesión",
    "Sign out": "Cerrar sesión",
    "Skip to the content": "Ir al contenido",
    "Switch between light and dark": "Cambiar entre claro y oscuro",
    "Tasador, home": "Tasador, inicio",
    "Who did what": "Quién hizo qué",
    "Why": "Motivo",
    "Why (optional)": "Motivo (opcional)",
    "Working…": "En curso…",
    "operator": "operador",
    "viewer": "lector",
    "No model is in service yet. The first batch trains the first model: run “tasador pipeline”, "
    "then reload this page.": "Todavía no hay ningún modelo en servicio. El primer lote entrena el "
    "primer modelo: ejecute «tasador pipeline» y vuelva a cargar esta página.",
    "No model is in service yet. Version {version} passed the gate and waits for approval: an "
    "operator approves it on the page Models, or “tasador approve {version}” does.": "Todavía no "
    "hay ningún modelo en servicio. La versión {version} superó los controles y espera la "
    "aprobación: un operador la aprueba en la página Modelos o con «tasador approve {version}».",
    "No model is in service yet. Version {version} was trained and {decided}: {reasons} The next "
    "batch trains another one.": "Todavía no hay ningún modelo en servicio. La versión {version} "
    "se entrenó y fue {decided}: {reasons} El próximo lote entrena otra.",
    "waits for approval": "espera la aprobación",
    "{starter} started its training, so another person decides.": "{starter} inició el "
    "entrenamiento, así que decide otra persona.",
    "declined": "rechazada por un operador",
    "rejected": "rechazada",
}

ERRORS = {
    "the functions answered with status {status}": "las funciones respondieron con el código "
    "{status}",
    "{function} at {url} does not answer. Is it up?": "{function} no responde en {url}. ¿Está en "
    "marcha?",
    "{path} answered with something that is not JSON": "la respuesta de {path} no es JSON",
    "is above {most}, which no listing can be": "supera {most}, y ninguna vivienda llega a tanto",
    "is below {least}": "es menor que {least}",
    "is negative": "es negativo",
    "is not a date like 2022-02-23": "no es una fecha como 2022-02-23",
    "is not a number": "no es un número",
    "is not a whole number": "no es un número entero",
    "is not a zip code of five digits": "no es un código postal de cinco cifras",
    "is not text": "no es un texto",
    "We know no such place. Choose one from the list, or leave it empty.": "No conocemos ese "
    "lugar. Elija uno de la lista o deje el campo vacío.",
    "The price cannot be explained now: {reason}": "El precio no se puede explicar ahora: {reason}",
    "The model has just changed. Estimate again to see the reasons.": "El modelo acaba de cambiar. "
    "Vuelva a estimar para ver los motivos.",
}
