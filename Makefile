# Works from any directory, also one with spaces in its path: make -C "/path/to/midgrey" demo
SHELL := /bin/sh
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# Inside the folder's own environment; called with -m, since scripts break on spaces in a path.
RUN := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help install demo serve test lint bench bench-sr bench-stats bench-player shots chromium

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 16

install:  ## everything Midgrey needs, into .venv; quick when nothing changed
	@sh bin/install

demo: install  ## two accounts, real clips, a study; at http://127.0.0.1:8000 (or PORT=...)
	@exec $(RUN) manage.py demo --host "$(HOST)" --port "$(PORT)" $(ARGS)

serve: install  ## without the demo's accounts and material; for the network: make serve ARGS=--lan
	@exec $(RUN) manage.py serve --host "$(HOST)" --port "$(PORT)" $(ARGS)

chromium:
	@sh bin/chromium

test: install chromium  ## all tests, or some: make test ARGS="-k plan"
	@exec $(RUN) -m pytest $(ARGS)

lint: install  ## style, types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

bench: install  ## speed of the parts that must be fast
	@for script in bench/bench_*.py; do \
		[ -e "$$script" ] || { echo "No benchmarks in bench/."; break; }; \
		echo "== $$script"; PYTHONPATH=. $(RUN) "$$script" || exit 1; \
	done

bench-sr: install  ## speed of upscaling against its peers, or some: make bench-sr ARGS="--only span"
	@PYTHONPATH=. $(RUN) bench/bench_sr.py $(ARGS)

bench-stats: install  ## speed of the statistics against their peers, or more: ARGS=--large
	@PYTHONPATH=".:$$PYTHONPATH" $(RUN) bench/bench_stats.py $(ARGS)

bench-player: install  ## whether every frame reaches the screen (two hours), or less: ARGS="--only session"
	@sh bin/chromium bench
	@exec $(RUN) bench/player.py $(ARGS)

shots: install chromium  ## pictures of every page of the running demo, into shots/
	@exec $(RUN) docs/shots.py --address "http://$(HOST):$(PORT)"
