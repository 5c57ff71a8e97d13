# Each target is also given as plain commands in README.md.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
  BIN = .venv/Scripts
else
  BIN = .venv/bin
endif

run: .venv/installed        ## execute the notebooks into runs/, print the result
	$(BIN)/fmnist run

test: .venv/installed       ## unit tests, and every notebook under nbval
	$(BIN)/python -m pytest -n 2

test-browser: .venv/installed  ## the notebooks in JupyterLab, in a real browser
	$(BIN)/python -m pytest tests/test_browser.py -m browser

lab: .venv/installed        ## open the notebooks, without solutions, in JupyterLab
	$(BIN)/fmnist student
	$(BIN)/jupyter lab my_notebooks

handouts: .venv/installed   ## student and instructor versions as .ipynb, HTML, PDF and slides
	$(BIN)/fmnist handouts

site: .venv/installed       ## the course as pages with search, which open from a folder
	$(BIN)/fmnist site

notebooks: .venv/installed  ## execute the notebooks in place (for those who edit the course)
	$(BIN)/fmnist notebooks

bench: .venv/installed      ## time the training beside other programs (30 minutes), and other costs
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev,bench]"
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/recipe.py
	$(BIN)/python benchmarks/costs.py
	$(BIN)/python benchmarks/operations.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/determinism.py
	$(BIN)/python benchmarks/threads.py

# make sweep ARGS="notebooks/03_train_sgd.ipynb -p seed 0:3 --out runs/seeds"
sweep: .venv/installed      ## run a notebook with many values of its parameters, then compare
	$(BIN)/fmnist sweep $(ARGS)

lint: .venv/installed       ## Python by ruff; the widgets' JavaScript by ESLint and TypeScript
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	npm --prefix tests/javascript ci --no-audit --no-fund
	npm --prefix tests/javascript run check

clean:                      ## remove what was made, but not runs/ or data/
	rm -rf .venv build handouts tests/quick_notebooks *.egg-info .pytest_cache .ruff_cache

# The stamp is written last: an installation that broke off, or whose torch and torchvision don't
# fit together (doctor says so and fails), is done again.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	$(BIN)/fmnist doctor
	$(BIN)/python -c "open('.venv/installed', 'w').close()"

.PHONY: run test test-browser lab handouts site notebooks sweep bench lint clean
.DEFAULT_GOAL = run
