"""The documentation as a site: docs/ built by Sphinx into pages/dist, which the pages role serves under /docs/.

docs/**.md ─► links out of docs/ become files of the site ─► Sphinx ─► inline code moved into files ─► pages/dist
"""
