"""The pages Estimate and Compare."""

from __future__ import annotations

FORM = {
    "City, state or zip code": "Ciudad, estado o código postal",
    "Clear": "Borrar",
    "Estimate the price": "Estimar el precio",
    "More details": "Más detalles",
    "Places": "Lugares",
    "Pricing…": "Calculando…",
    "The home": "La vivienda",
    "Try it with a home in {place}": "Probar con una vivienda en {place}",
    "What is this home worth?": "¿Cuánto vale esta vivienda?",
    "Where is it?": "¿Dónde está?",
    "{count} bath": "{count} baños",
    "{count} bed": "{count} dorm.",
    "{one} bath": "{one} baño",
    "{one} bed": "{one} dorm.",
    "of the data set": "según los datos",
    "{place} · {count} listing": "{place} · {count} anuncio",
    "{place} · {count} listings": "{place} · {count} anuncios",
}

ESTIMATE = {
    "8 in 10 homes like this one are priced within this range.": "El precio de 8 de cada 10 "
    "viviendas como esta se encuentra en este intervalo.",
    "A price range, the reasons for it and similar homes appear here.": "Aquí aparecerán el "
    "intervalo de precios, sus motivos y viviendas parecidas.",
    "Copy link": "Copiar enlace",
    "Digest": "Resumen criptográfico",
    "Every field is optional; each one narrows the range. Give the size for the price of a house: "
    "a place alone is priced as land.": "Todos los campos son opcionales; cada uno estrecha el "
    "intervalo. Indique la superficie para obtener el precio de una casa: un lugar sin más datos "
    "se valora como terreno.",
    "High confidence": "Confianza alta",
    "Likely price": "Precio probable",
    "Low confidence": "Confianza baja",
    "Medium confidence": "Confianza media",
    "Not given: {names}.": "Sin indicar: {names}.",
    "Of the homes with {confidence}, {share} were estimated within {tenth} of their price.": "De "
    "las viviendas con {confidence}, el {share} se estimó con un error de hasta el {tenth} de su "
    "precio.",
    "Pricing the home…": "Calculando el precio…",
    "Print": "Imprimir",
    "Read as: {values}.": "Se ha leído como: {values}.",
    "Report": "Informe",
    "Asking price, about": "Se anunciaría por unos",
    "Sale price, about": "Se vendería por unos",
    "Per square foot": "Por pie cuadrado",
    "The estimate is the price of a home that is yet to be built.": "La estimación es el precio de "
    "una vivienda por construir.",
    "The estimate is what it would be listed at.": "La estimación es el precio al que se "
    "anunciaría.",
    "The estimate is what it would sell for.": "La estimación es el precio al que se vendería.",
    "The model was asleep and is waking up. This takes a few seconds.": "El modelo estaba en "
    "reposo y se está activando. Tarda unos segundos.",
    "The price of 2 in 3 homes like this one is within {share} of the estimate.": "El precio de 2 "
    "de cada 3 viviendas como esta difiere de la estimación en un {share} como máximo.",
    "This home is outside what the model knows well, so the price may lie outside this range. Take "
    "it as a first guess.": "Esta vivienda se sale de lo que el modelo conoce bien, así que el "
    "precio puede quedar fuera de este intervalo. Tómelo como una primera aproximación.",
    "What led to this price": "Qué llevó a este precio",
    "Where this estimate comes from": "De dónde sale esta estimación",
    "not recorded": "sin registrar",
    "{level} in 100:": "{level} de cada 100:",
    "{name}, version {version}": "{name}, versión {version}",
    "{price} per sq ft": "{price} por pie²",
    "M": "\N{NO-BREAK SPACE}M",
    "k": "\N{NO-BREAK SPACE}mil",
    # What if.
    "Move a slider to see the price change.": "Mueva un control para ver cómo cambia el precio.",
    "Priced as land, since neither the size nor the bedrooms are given. Add the size for the price "
    "of a house.": "Se valora como terreno, porque no se indican ni la superficie ni los "
    "dormitorios. Añada la superficie para obtener el precio de una casa.",
    "Price this home for a report": "Calcular esta vivienda para un informe",
    "Undo": "Deshacer",
    "What if": "¿Y si…?",
    "compared with the home you entered": "respecto a la vivienda indicada",
}

REASONS = {
    "Compared with a typical home, {reasons}.": "Respecto a una vivienda típica, {reasons}.",
    "Dollars": "Dólares",
    "From a typical home to the estimate": "De una vivienda típica a la estimación",
    "Nothing sets this home apart from a typical one yet.": "Por ahora nada distingue esta "
    "vivienda de una típica.",
    "Part": "Parte",
    "Smaller effects": "Efectos menores",
    "Step": "Paso",
    "What you left out": "Lo que no se indicó",
    "Your estimate": "Su estimación",
    "{what} add {amount}": "{what} suman {amount}",
    "{what} adds {amount}": "{what} suma {amount}",
    "{what} take off {amount}": "{what} restan {amount}",
    "{what} takes off {amount}": "{what} resta {amount}",
}

COMPARABLES = {
    "Centred on {place}. Homes are drawn around the centre of their zip code; the data has no "
    "addresses.": "El centro es {place}. Las viviendas se dibujan alrededor del centro de su "
    "código postal; los datos no incluyen direcciones.",
    "Homes that the model knows, the most alike first. The price on the right is adjusted: what "
    "the home would cost with your location, size, rooms and lot.": "Viviendas que el modelo "
    "conoce, las más parecidas primero. El precio de la derecha está ajustado: lo que costaría la "
    "vivienda con su ubicación, superficie, habitaciones y terreno.",
    "Map of the similar homes around yours": "Mapa de las viviendas parecidas alrededor de la suya",
    "Show the whole map": "Ver el mapa completo",
    "Similar homes": "Viviendas parecidas",
    "Zoom in": "Acercar",
    "Zoom out": "Alejar",
    "in the middle of {city}": "en el centro de {city}",
    "no details known": "sin detalles",
    "same zip code": "mismo código postal",
    "the middle of {city}": "el centro de {city}",
    "{amount} adjusted": "ajuste de {amount}",
    "{amount} remains to your estimate": "{amount} de diferencia con su estimación",
    "{share} alike": "{share} de parecido",
}

COMPARE = {
    "8 in 10 within": "8 de cada 10 entre",
    "Both homes": "Las dos viviendas",
    "Both homes cost the same.": "Las dos viviendas cuestan lo mismo.",
    "Cities of {state}": "Ciudades de {state}",
    "Compare the homes": "Comparar las viviendas",
    "Compare the places": "Comparar los lugares",
    "Every state": "Todos los estados",
    "From home A to home B": "De la vivienda A a la vivienda B",
    "From home A to home B. The parts add up to the difference.": "De la vivienda A a la vivienda "
    "B. Las partes suman la diferencia.",
    "Give two homes, and see what makes the difference.": "Indique dos viviendas y vea de dónde "
    "viene la diferencia.",
    "Give what you know of a home, and see its price everywhere.": "Indique lo que sepa de una "
    "vivienda y vea su precio en cada lugar.",
    "Home B costs {amount} ({share}) less than home A.": "La vivienda B cuesta {amount} ({share}) "
    "menos que la vivienda A.",
    "Home B costs {amount} ({share}) more than home A.": "La vivienda B cuesta {amount} ({share}) "
    "más que la vivienda A.",
    "Home {letter}": "Vivienda {letter}",
    "In {dear} this home costs {times} times what it costs in {cheap}.": "En {dear} esta vivienda "
    "cuesta {times} veces lo que cuesta en {cheap}.",
    "One home, many places": "Una vivienda, muchos lugares",
    "Prices by place, the dearest first": "Precios por lugar, de mayor a menor",
    "Prices in {places}. A bar holds 8 in 10 prices of such homes; the line in it is the "
    "estimate.": "Precios en {places}. Cada barra contiene 8 de cada 10 precios de viviendas así; "
    "la línea es la estimación.",
    "Range": "Intervalo",
    "The model has just changed. Compare again.": "El modelo acaba de cambiar. Vuelva a comparar.",
    "The same home elsewhere": "La misma vivienda en otros lugares",
    "The two homes": "Las dos viviendas",
    "Two homes": "Dos viviendas",
    "We know no place like “{typed}” (home {letter}).": "No conocemos ningún lugar como «{typed}» "
    "(vivienda {letter}).",
    "What a home would cost elsewhere, and why two homes differ. Nothing here is recorded.": "Lo "
    "que costaría una vivienda en otros lugares y por qué difieren dos viviendas. Aquí no se "
    "guarda nada.",
    "What makes the difference": "De dónde viene la diferencia",
    "What to compare": "Qué comparar",
    "anywhere": "en cualquier lugar",
    "every state": "todos los estados",
    "not known to the model": "desconocido para el modelo",
    "the largest cities of {state}": "las ciudades más grandes de {state}",
}
