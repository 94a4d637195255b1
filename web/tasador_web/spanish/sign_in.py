"""The page on which people sign in."""

from __future__ import annotations

SIGN_IN = {
    "Back to the pages": "Volver a las páginas",
    "it gave no code": "no dio ningún código",
    "minutes": "minutos",
    "Name": "Nombre",
    "No accounts": "Sin cuentas",
    "No provider": "Sin proveedor",
    "Nobody can sign in here, since the web app has no access to the database: "
    "TASADOR_DATABASE_URL is not set. The command line acts.": "Aquí nadie puede iniciar sesión, "
    "porque la aplicación web no tiene acceso a la base de datos: falta TASADOR_DATABASE_URL. Use "
    "la línea de comandos.",
    "Nobody signs in at a provider here: TASADOR_OIDC_ISSUER is not set.": "Aquí no se inicia "
    "sesión con un proveedor: falta TASADOR_OIDC_ISSUER.",
    "Not accepted": "No se aceptó",
    "Not here": "Aquí no",
    "Not now": "Ahora no",
    "Not signed in": "No se inició la sesión",
    "or with an account of this platform:": "o con una cuenta de esta plataforma:",
    "Password": "Contraseña",
    "Reading needs no account unless your platform says so. Acting does: rolling back, approving, "
    "accepting a batch. {command} adds an account.": "Para consultar no hace falta una cuenta, "
    "salvo que su plataforma la exija. Para actuar sí: restablecer una versión, aprobarla, aceptar "
    "un lote. {command} añade una cuenta.",
    "second": "segundo",
    "seconds": "segundos",
    "Sign in at /login.": "Inicie sesión en /login.",
    "Sign in first": "Inicie sesión primero",
    "Sign in with your organisation": "Iniciar sesión con su organización",
    "the name or the password is wrong": "el nombre o la contraseña no son correctos",
    "the provider refused: {reason}": "el proveedor lo rechazó: {reason}",
    "This address takes forms only.": "Esta dirección solo acepta formularios.",
    "This form is old, or another site has sent it. Open the page again.": "Este formulario ha "
    "caducado o lo envió otro sitio. Vuelva a abrir la página.",
    "this sign-in did not begin here, or is old: sign in again": "este inicio de sesión no empezó "
    "aquí o ha caducado: inicie sesión de nuevo",
    "too many wrong passwords: try again in": "demasiadas contraseñas incorrectas: inténtelo de "
    "nuevo dentro de",
}
