"""Prints metrics in Prometheus' text format, one JSON object a line for each sample, by Prometheus' own parser."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        sample = {"name": sample.name, "labels": sample.labels, "value": sample.value}
        print(json.dumps(sample | {"type": family.type, "help": family.documentation}))
