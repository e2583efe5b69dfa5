"""Find phrases that .ci/phrases.txt rejects: ``python .ci/check_phrases.py FILE...``."""

import re
import sys
from pathlib import Path

LIST = Path(__file__).with_name("phrases.txt")


def rejected():
    """Yield (pattern, phrase, what to say instead)."""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            phrase, _, better = (part.strip() for part in line.partition("|"))
            words = (re.escape(word).replace(r"\*", r"\w*") for word in phrase.split())
            # a line may break between words, in a comment too
            pattern = r"(?<!\w)" + r"[\s#>*]+".join(words) + r"(?!\w)"
            yield re.compile(pattern, re.IGNORECASE), phrase, better


def main(files):
    """Print where a phrase was found; return whether one was."""
    phrases, found = list(rejected()), False
    for file in map(Path, files):
        if file.resolve() == LIST.resolve():
            continue
        text = file.read_text(encoding="utf-8", errors="ignore")
        for pattern, phrase, better in phrases:
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                print(f"{file}:{line}: {phrase!r}: {better}")
                found = True
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
