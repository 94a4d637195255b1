"""The page Models, and what operators do."""

from __future__ import annotations

MODELS = {
    " and {count} more": " y {count} más",
    ", or sign in as an operator.": " o inicie sesión como operador.",
    "Approve…": "Aprobar…",
    "By": "Por",
    "Cards of its training": "Tarjetas de su entrenamiento",
    "Challenger and champion": "Aspirante y campeón",
    "Champion": "Campeón",
    "Check": "Control",
    "Checks of the gate": "Controles antes del servicio",
    "Compared with": "Comparada con",
    "Decided": "Decidida",
    "decided by {name}": "decidida por {name}",
    "Decline…": "Rechazar…",
    "Difference": "Diferencia",
    "Each on the permanent holdout of its time": "Cada uno, con la muestra de evaluación "
    "permanente de entonces",
    "Every version and why it serves, or not.": "Todas las versiones y por qué están en servicio o "
    "no.",
    "Finding": "Resultado",
    "Function": "Función",
    "in service": "en servicio",
    "In the 90 % interval": "En el intervalo del 90 %",
    "It passed the gate and waits for an operator who did not start its training.": "Superó los "
    "controles y espera a un operador que no haya iniciado su entrenamiento.",
    "Its predictions": "Sus predicciones",
    "Limit": "Límite",
    "Measure": "Medida",
    "Median error": "Error mediano",
    "Median error by version": "Error mediano por versión",
    "No version has been trained yet. The first batch trains the first one: run “tasador "
    "pipeline”.": "Todavía no se ha entrenado ninguna versión. El primer lote entrena la primera: "
    "ejecute «tasador pipeline».",
    "No version serves yet.": "Todavía no hay ninguna versión en servicio.",
    "not passed": "no superado",
    "Outcome": "Resultado",
    "passed": "superado",
    "Reason": "Motivo",
    "Roll back to this version…": "Restablecer esta versión…",
    "Rollouts": "Despliegues",
    "Rollouts of this version": "Despliegues de esta versión",
    "Run": "Ejecución",
    "Model card": "Ficha del modelo",
    "R² by version": "R² por versión",
    "Show older ones": "Mostrar anteriores",
    "Started": "Inicio",
    "The dossier of version {version} has no such file.": "El expediente de la versión {version} "
    "no tiene ese archivo.",
    "The gate": "Los controles",
    "The versions are not known now.": "Ahora no se pueden consultar las versiones.",
    "The model card of version {version} is from before cards were pages: “tasador dossier "
    "{version}” shows it.": "La ficha de la versión {version} es anterior a estas páginas: "
    "«tasador dossier {version}» la muestra.",
    "There is no model card": "No hay ficha del modelo",
    "There is no such version.": "Esa versión no existe.",
    "There was no champion to compare with.": "No había ningún campeón con el que comparar.",
    "This version": "Esta versión",
    "This version was never rolled out.": "Esta versión no se ha desplegado nunca.",
    "To approve it: ": "Para aprobarla: ",
    "To return to this version: ": "Para restablecer esta versión: ",
    "Took": "Duración",
    "trained by {name}": "entrenada por {name}",
    "Trained on batches": "Lotes de entrenamiento",
    "Value": "Valor",
    "Version": "Versión",
    "Version in MLflow": "Versión en MLflow",
    "Version {version} has no model card: the last step of its training writes it after the "
    "decision, and that step goes on, or failed, or is younger than this version. The log of the "
    "training says which.": "La versión {version} no tiene ficha: el último paso de su "
    "entrenamiento la escribe después de la decisión, y ese paso sigue en marcha, ha fallado o es "
    "posterior a esta versión. El registro del entrenamiento lo indica.",
    "Version {version} serves.": "La versión {version} está en servicio.",
    "Versions": "Versiones",
    "Versions, newest first": "Versiones, las más recientes primero",
    "{passed} of {count} check passed": "{passed} de {count} control superado",
    "{passed} of {count} checks passed": "{passed} de {count} controles superados",
    "{versions} serve.": "{versions} están en servicio.",
}

MEASURES = {
    "Bias by price (PRB)": "Sesgo según el precio (PRB)",
    "Dear against cheap homes (PRD)": "Viviendas caras frente a baratas (PRD)",
    "Estimate to price, median": "Estimación entre precio, mediana",
    "Holdout rows": "Filas de la muestra de evaluación",
    "In the 80 % interval": "En el intervalo del 80 %",
    "Mean error": "Error medio",
    "RMSE": "RMSE",
    "R²": "R²",
    "Spread of ratios (COD)": "Dispersión de los cocientes (COD)",
    "Width of the 80 % interval": "Anchura del intervalo del 80 %",
    "Within 10 % of the price": "A menos del 10 % del precio",
    "Within 20 % of the price": "A menos del 20 % del precio",
}

ACTIONS = {
    "Accept the batch": "Aceptar el lote",
    "Approve": "Aprobar",
    "Approve version {version}?": "¿Aprobar la versión {version}?",
    "Decline": "Rechazar",
    "Decline version {version}?": "¿Rechazar la versión {version}?",
    "Drift judges it again without the rules of a broken feed. Then it may train a model like any "
    "other batch.": "La deriva se evalúa de nuevo sin las reglas de los datos defectuosos. Después "
    "el lote puede entrenar un modelo como cualquier otro.",
    "Drift judges it, and trains a model if the market has moved. You count as who started that "
    "training, so another person approves the version.": "Se evalúa su deriva y se entrena un "
    "modelo si el mercado se ha movido. Ese entrenamiento cuenta como iniciado por usted, así que "
    "otra persona aprueba la versión.",
    "Ingest it": "Ingerirlo",
    "Ingest the next batch?": "¿Ingerir el próximo lote?",
    "It has passed the gate. It is rolled out as soon as you approve it. Who started its training "
    "cannot approve it.": "Ha superado los controles. Se despliega en cuanto usted la apruebe. "
    "Quien inició su entrenamiento no puede aprobarla.",
    "It is never served, and the champion keeps serving.": "No se pondrá nunca en servicio y el "
    "campeón sigue en servicio.",
    "It takes all traffic as soon as it has passed its smoke test. The version that serves now "
    "stays registered, so you can return to it.": "Recibe todo el tráfico en cuanto supera su "
    "prueba inicial. La versión que está ahora en servicio sigue registrada, así que se puede "
    "volver a ella.",
    "Only operators may do this.": "Solo los operadores pueden hacerlo.",
    "Return to version {version}?": "¿Restablecer la versión {version}?",
    "Roll back": "Restablecer",
    "Say why: this is kept with the decision.": "Indique el motivo: se guarda con la decisión.",
    "Set it aside": "Apartarlo",
    "Set this batch aside?": "¿Apartar este lote?",
    "Sign in to do this.": "Inicie sesión para hacerlo.",
    "The batches after it are ingested. Its payload is kept, and it can be tried again.": "Se "
    "ingieren los lotes siguientes. Su contenido se conserva y se puede volver a intentar.",
    "The next run of ingestion reads its stored payload once more.": "La próxima ejecución de la "
    "ingesta vuelve a leer el contenido guardado.",
    "There is no such action.": "Esa acción no existe.",
    "Try again": "Volver a intentarlo",
    "Try this batch again?": "¿Volver a intentarlo con este lote?",
    "Use this batch although its feed broke?": "¿Usar este lote aunque sus datos sean defectuosos?",
}

CHECKS = {
    "Better than champion": "Mejor que el campeón",
    "Churn": "Cambio de precios",
    "Coverage 90": "Cobertura del 90 %",
    "Golden parity": "Paridad con los casos fijos",
    "Holdout covers champion": "La muestra cubre al campeón",
    "Log error against champion": "Error logarítmico frente al campeón",
    "Newest batch against champion": "Lote más reciente frente al campeón",
    "Ratio COD": "Cocientes: COD",
    "Ratio median": "Cocientes: mediana",
    "Ratio MKI": "Cocientes: MKI",
    "Ratio PRB": "Cocientes: PRB",
    "Ratio VEI": "Cocientes: VEI",
    "R² against champion": "R² frente al campeón",
    "Slices against champion": "Segmentos frente al campeón",
}
