"""Real sentences with their translation: Genesis 1 in the versions of 1769 and 1909."""

ENGLISH = (
    "In the beginning God created the heaven and the earth.",
    "And the earth was without form, and void; and darkness was upon the deep.",
    "And God said, Let there be light: and there was light.",
    "And God saw the light, that it was good.",
    "And God called the light Day, and the darkness he called Night.",
    "And the evening and the morning were the first day.",
    "And God made the firmament, and divided the waters: and it was so.",
    "And God called the firmament Heaven.",
)
SPANISH = (
    "EN el principio crió Dios los cielos y la tierra.",
    "Y la tierra estaba desordenada y vacía, y las tinieblas estaban sobre el abismo.",
    "Y dijo Dios: Sea la luz: y fué la luz.",
    "Y vió Dios que la luz era buena.",
    "Y llamó Dios á la luz Día, y á las tinieblas llamó Noche.",
    "Y fué la tarde y la mañana un día.",
    "E hizo Dios la expansión, y apartó las aguas: y fué así.",
    "Y llamó Dios á la expansión Cielos.",
)


def write_lines(path, lines, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path
