"""A page on standard input, a tagged PDF on standard output. In a process of its own, and a patient one: setting a bank in type takes
seconds of computing, in which no candidate's answer may wait."""

import gc
import hashlib
import os
import sys

# The exit code that says that there is no WeasyPrint, or not the libraries that it needs (Pango).
NO_PRINTER = 3


def main() -> int:
    os.nice(10)
    gc.disable()  # the process ends with its one page, and looking for what is unused takes an eighth of its time
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError):
        return NO_PRINTER
    page = sys.stdin.buffer.read()
    # Nothing is fetched: pictures and style are in the page.
    html = weasyprint.HTML(string=page.decode(), url_fetcher=URLFetcher(allowed_protocols=("data",)))
    sys.stdout.buffer.write(html.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=hashlib.sha256(page).digest()[:16]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
