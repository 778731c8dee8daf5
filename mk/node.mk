# A real one-node Kubernetes, from Go modules (e2e/node), for those who have no cluster at hand.
# With CONTEXT=name of a kubectl context, that cluster is used instead and these targets leave it alone.

NODE := $(dir $(lastword $(MAKEFILE_LIST)))../e2e/node/node.sh
NAME ?= demo

.PHONY: node-build node-up node-down node-status

node-build: ## Build the one-node Kubernetes into the cache (several minutes, once)
	@$(NODE) build

node-up: ## Start the one-node Kubernetes and wait until it is ready (NAME=demo; does nothing with CONTEXT=name)
	@$(if $(CONTEXT),echo "Using your context $(CONTEXT): no node is started.",$(NODE) up --name $(NAME))

node-down: ## End the one-node Kubernetes and remove its state (NAME=demo; does nothing with CONTEXT=name)
	@$(if $(CONTEXT),echo "Using your context $(CONTEXT): it is left as it is.",$(NODE) down --name $(NAME))

node-status: ## Tell how the one-node Kubernetes is (NAME=demo)
	@$(if $(CONTEXT),echo "Using your context $(CONTEXT).",$(NODE) status --name $(NAME) || test $$? -eq 3)
