"""The verdicts of a monitoring check, and what each one means."""

VERDICTS = {
    "no_champion": "no champion yet",
    "too_few": "too few requests to judge",
    "quiet": "the champion suits the requests",
    "moved": "the requests moved, and that does not hurt the champion",
    "hurts": "the requests hurt the champion",
}
