"""The page Batch."""

from __future__ import annotations

BATCH = {
    " priced by {model}.": " con precio según {model}.",
    " Trying again…": " Se intenta de nuevo…",
    ", or Parquet": ", o Parquet",
    "; 8 in 10 cost {low} to {high}.": "; 8 de cada 10 cuestan entre {low} y {high}.",
    "Another file": "Otro archivo",
    "Another model went into service meanwhile: price the file again.": "Mientras tanto entró en "
    "servicio otro modelo: vuelva a calcular los precios del archivo.",
    "Checking": "Comprobación",
    "Columns": "Columnas",
    "CSV, also as .gz or in a .zip{parquet}: up to {rows} rows and {size} MB. The first line names "
    "the columns.": "CSV, también como .gz o dentro de un .zip{parquet}: hasta {rows} filas y "
    "{size} MB. La primera línea lleva los nombres de las columnas.",
    "Download the prices (CSV)": "Descargar los precios (CSV)",
    "Drop a file of homes here, or choose one": "Arrastre aquí un archivo de viviendas o elija uno",
    "Field": "Campo",
    "found": "encontrada",
    "Half cost more than ": "La mitad cuesta más de ",
    "How many homes have which price: most {low} to {high}": "Cuántas viviendas hay de cada "
    "precio: la mayoría, entre {low} y {high}",
    "in line {number}: {problem}": "en la línea {number}: {problem}",
    "in row {number}: {problem}": "en la fila {number}: {problem}",
    "No row has a problem.": "Ninguna fila tiene problemas.",
    "Only the browser that sent the file can fetch its prices.": "Solo el navegador que envió el "
    "archivo puede descargar sus precios.",
    "Other columns to copy to the result": "Otras columnas que se copian en el resultado",
    "Other files are being priced. Yours is next.": "Se están calculando otros archivos. El suyo "
    "es el siguiente.",
    "predict does not answer. Is it up?": "predict no responde. ¿Está en marcha?",
    "Price a whole file of homes. It is deleted after an hour, and its homes are not "
    "recorded.": "Calcule los precios de un archivo entero de viviendas. El archivo se borra al "
    "cabo de una hora y sus viviendas no se registran.",
    "Price {rows}": "Calcular el precio de {rows}",
    "Prices": "Precios",
    "Pricing": "Cálculo de precios",
    "PUT sends a file, and GET fetches its prices.": "PUT envía un archivo y GET descarga sus "
    "precios.",
    "Reading every row…": "Leyendo todas las filas…",
    "Remarks": "Observaciones",
    "Row": "Fila",
    "Rows": "Filas",
    "Rows priced": "Filas calculadas",
    "Rows with problems by field": "Filas con problemas por campo",
    "Sending {name}…": "Enviando {name}…",
    "Stop": "Detener",
    "The file cannot be kept: {reason}.": "No se puede guardar el archivo: {reason}.",
    "The file could not be read: the server's log says why.": "No se pudo leer el archivo: el "
    "registro del servidor dice por qué.",
    "The file did not arrive whole: send it again.": "El archivo no llegó completo: envíelo de "
    "nuevo.",
    "The file did not arrive: the server does not answer.": "El archivo no llegó: el servidor no "
    "responde.",
    "The file has no other columns.": "El archivo no tiene otras columnas.",
    "The file has not been priced yet.": "Los precios del archivo aún no se han calculado.",
    "The file is larger than {size} MB: compress it, or split it.": "El archivo ocupa más de "
    "{size} MB: comprímalo o divídalo.",
    "The file was deleted, because nobody used it for an hour. Send it again.": "El archivo se "
    "borró porque nadie lo usó durante una hora. Envíelo de nuevo.",
    "The first of them": "La primera de ellas",
    "The first rows": "Las primeras filas",
    "The first rows of the result": "Las primeras filas del resultado",
    "The model was asleep and is waking up.": "El modelo estaba en reposo y se está activando.",
    "This page has been open for too long: reload it.": "Esta página lleva demasiado tiempo "
    "abierta: vuelva a cargarla.",
    "Too many files are being priced now: try again in an hour.": "Ahora se calculan demasiados "
    "archivos: inténtelo de nuevo dentro de una hora.",
    "What is in the file": "Qué contiene el archivo",
    "Whole row": "Fila entera",
    "{count} home": "{count} vivienda",
    "{count} homes": "{count} viviendas",
    "{count} row": "{count} fila",
    "{count} rows": "{count} filas",
    "may be {one} or {other}: write it without a mark of thousands": "puede ser {one} o {other}: "
    "escríbalo sin separador de miles",
    "no price": "sin precio",
    "has {values} values, and the header {columns}": "tiene {values} valores, y el encabezado "
    "{columns}",
    "is blank": "está vacía",
    "the row": "la fila",
    "{count} row is blank or has more or fewer values than columns. It gets no price.": ""
    "{count} fila está vacía o tiene más o menos valores que columnas. No recibe precio.",
    "{count} rows are blank or have more or fewer values than columns. They get no price.": ""
    "{count} filas están vacías o tienen más o menos valores que columnas. No reciben precio.",
    "{count} row has a value that cannot be read. It counts as not given; the result says why.": ""
    "{count} fila tiene un valor que no se puede leer. Se trata como sin indicar; el resultado "
    "dice por qué.",
    "{count} rows have a value that cannot be read. It counts as not given; the result says "
    "why.": "{count} filas tienen un valor que no se puede leer. Se trata como sin indicar; el "
    "resultado dice por qué.",
    "{done} of {rows}": "{done} de {rows}",
    "{low} to {high}: {count}": "de {low} a {high}: {count}",
}
