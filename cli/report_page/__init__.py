"""The report: evaluations, searches and specialists as one page, one Markdown file and figures."""
