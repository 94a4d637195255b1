"""The Spanish texts: the English text, and what it is. {Placeholders} are the same in both.

The web app uses this catalogue too. tests/code/test_valuation_spanish.py finds texts without an
entry, and entries that nothing uses.
"""

from __future__ import annotations

_FIELDS = {
    "Bathrooms": "Baños",
    "Bedrooms": "Dormitorios",
    "Broker code": "Código del agente",
    "City": "Ciudad",
    "Homes like it nearby": "Viviendas parecidas de la zona",
    "House size": "Superficie",
    "Last sold": "Última venta",
    "Location": "Ubicación",
    "Lot size": "Terreno",
    "State": "Estado",
    "Status": "Situación",
    "Street code": "Código de la calle",
    "Zip code": "Código postal",
    # Within a sentence.
    "bathrooms": "los baños",
    "bedrooms": "los dormitorios",
    "broker code": "el código del agente",
    "city": "la ciudad",
    "homes like it nearby": "las viviendas parecidas de la zona",
    "house size": "la superficie",
    "last sold": "la última venta",
    "location": "la ubicación",
    "lot size": "el terreno",
    "state": "el estado",
    "status": "la situación",
    "street code": "el código de la calle",
    "zip code": "el código postal",
}

_VALUES = {
    "For sale": "En venta",
    "Ready to build": "Por construir",
    "Sold": "Vendida",
    "acres": "acres",
    "high": "alta",
    "low": "baja",
    "medium": "media",
    "none": "ninguna",
    "not given": "sin indicar",
    "sq ft": "pies²",
    "square feet": "pies cuadrados",
    "{most} and {last}": "{most} y {last}",
}

_CAUTIONS = {
    "A last sale on {value} is unusual: the sales that we know are of {low} to {high}.": "Una "
    "última venta el {value} es poco habitual: las ventas que conocemos van de {low} a {high}.",
    "A {what} of {value}{unit} is unusual: the homes that we know have {low} to {high}.": "Un "
    "valor de {value}{unit} para {what} es poco habitual: las viviendas que conocemos tienen de "
    "{low} a {high}.",
    "{value} {what} are unusual: the homes that we know have {low} to {high}.": "Un valor de "
    "{value} para {what} es poco habitual: las viviendas que conocemos tienen de {low} a {high}.",
    "Few homes nearby are like this one in {names}, so its price is less certain.": "Pocas "
    "viviendas de la zona se parecen a esta por {names}, así que su precio es menos seguro.",
    "We have no prices from zip code {value} yet; the nearest ones stand in.": "Aún no tenemos "
    "precios del código postal {value}; usamos los más cercanos.",
    "We have no prices from {value} yet.": "Aún no tenemos precios de {value}.",
    "We have no prices from {value} yet; its surroundings stand in.": "Aún no tenemos precios de "
    "{value}; usamos los de sus alrededores.",
    "We know no broker with the code {value}.": "No conocemos ningún agente con el código {value}.",
    "Zip code {code} is in {real}, not in {given}.": "El código postal {code} está en {real}, no "
    "en {given}.",
}

_ESTIMATE = {
    "Caution:": "Atención:",
    "Confidence: {name} (score {score} of 100).": "Confianza: {name} ({score} puntos de 100).",
    "68 % of such homes are estimated within {share} of their price (forecast standard "
    "deviation).": "El 68 % de las viviendas como esta se estima con un error de hasta el {share} "
    "de su precio (desviación estándar del pronóstico).",
    "Estimate": "Valoración",
    "Estimated on {when} by {model}. An automated valuation: a statistical model made it, and "
    "nobody inspected the property.": "Estimación del {when}, hecha por {model}. Es una valoración "
    "automatizada: la hizo un modelo estadístico y nadie inspeccionó la propiedad.",
    "No reasons and no comparables now: explain answered HTTP {status}.": "Por ahora no hay "
    "motivos ni comparables: explain respondió con HTTP {status}.",
    "No reasons and no comparables now: explain does not answer ({error}).": "Por ahora no hay "
    "motivos ni comparables: explain no responde ({error}).",
    "No reasons and no comparables: TASADOR_FUNCTIONS_URL is not set for record.": "No hay motivos "
    "ni comparables: falta TASADOR_FUNCTIONS_URL en la configuración de record.",
    "Not given": "Sin indicar",
    "Of the homes with {name} confidence in the permanent holdout, {tenth} were estimated within "
    "10 % and {fifth} within 20 %; {low} more than 15 % too low and {high} more than 15 % too "
    "high.": "De las viviendas con confianza {name} de la muestra de evaluación permanente, el "
    "{tenth} se estimó con un error de hasta el 10 % y el {fifth}, de hasta el 20 %; el {low} "
    "quedó más de un 15 % por debajo de su precio y el {high}, más de un 15 % por encima.",
    "Place not given": "Lugar sin indicar",
    "Priced as land, since neither the size nor the bedrooms are given.": "Se valora como terreno, "
    "porque no se indican ni la superficie ni los dormitorios.",
    "Prices of such homes lie within {ranges}.": "Los precios de viviendas como esta están entre "
    "{ranges}.",
    "The estimate is {what}": "La estimación es {what}",
    "The home, as it was described": "La vivienda, según se describió",
    "The model has not measured how much this price can be trusted.": "El modelo no ha medido "
    "hasta qué punto este precio es fiable.",
    "Valuation report": "Informe de valoración",
    "Valuation {prediction}": "Valoración {prediction}",
    "Version {version} made this estimate, and version {serving} serves now, so its reasons and "
    "comparables cannot be computed again. Version {serving} prices the home at {price}.": "La "
    "versión {version} hizo esta estimación y ahora está en servicio la versión {serving}, así que "
    "ya no se pueden calcular sus motivos ni sus comparables. La versión {serving} valora la "
    "vivienda en {price}.",
    "And {count} more.": "Y {count} más.",
    "and {count} more": "y {count} más",
    "the price of a home that is yet to be built": "el precio de una vivienda por construir",
    "what it would be listed at": "el precio al que se anunciaría",
    "what it would sell for": "el precio al que se vendería",
    "{low} to {high}": "{low} y {high}",
    "{range} ({level} in 100)": "{range} ({level} de cada 100)",
}

_EVIDENCE = {
    "A typical home": "Una vivienda típica",
    "Adjusted": "Ajustado",
    "Alike": "Parecido",
    "Baths": "Baños",
    "Beds": "Dorm.",
    "Comparables, adjusted to the home": "Comparables, ajustadas a la vivienda",
    "Everything else": "Todo lo demás",
    "Home": "Vivienda",
    "In dollars. A price, asked or sold, plus what each difference is worth is the adjusted price. "
    "What remains to the estimate of {price} is what the model sees beyond these differences, and "
    "what sets that home apart.": "En dólares. El precio, pedido o de venta, más lo que vale cada "
    "diferencia es el precio ajustado. El resto hasta la estimación de {price} es lo que el modelo "
    "ve además de estas diferencias y lo que distingue a esa vivienda.",
    "Lot": "Terreno",
    "Place": "Lugar",
    "Price": "Precio",
    "Remains": "Resto",
    "Size": "Superf.",
    "The estimate": "La estimación",
    "The place is unknown, so no home is comparable.": "No se conoce el lugar, así que ninguna "
    "vivienda es comparable.",
    "Where": "Dónde",
    "Why this price": "Por qué este precio",
    "across the country": "en todo el país",
    "no details": "sin detalles",
    "{count} ac": "{count} acres",
    "{count} acre": "{count} acre",
    "{count} acres": "{count} acres",
    "{count} ba": "{count} baños",
    "{count} bd": "{count} dorm.",
    "{count} sq ft": "{count} pies²",
    "{one} ac": "{one} acre",
    "{one} ba": "{one} baño",
    "{price} asked": "{price}, pedido",
    "{price} sold": "{price}, vendida",
}

_ORIGIN = {
    "Correlation": "Correlación",
    "Decision": "Decisión",
    "Model": "Modelo",
    "Prediction": "Predicción",
    "Promoted": "Promovida",
    "Revision": "Revisión",
    "Trained on": "Lotes de entrenamiento",
    "batch {names}": "{names}",
    "batches {names}": "{names}",
    "no batches": "ninguno",
    "none is recorded on this version": "no consta ninguna sobre esta versión",
    "the gate": "los controles",
    "{batch} ({count} row, {day})": "{batch} ({count} fila, {day})",
    "{batch} ({count} rows, {day})": "{batch} ({count} filas, {day})",
    "{model}, digest {digest}": "{model}, resumen criptográfico {digest}",
    "{when} by {who}; run {run}": "{when} por {who}; ejecución {run}",
}

SPANISH = {**_FIELDS, **_VALUES, **_CAUTIONS, **_ESTIMATE, **_EVIDENCE, **_ORIGIN}
