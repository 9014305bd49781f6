"""Write every dashboard: `python -m grafana.generator [FOLDER]`."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.generator.fleet import FLEET
from grafana.generator.frame import dashboard_of
from grafana.generator.logbook import LOGS
from grafana.generator.overview import OVERVIEW
from grafana.generator.registry import REGISTRY_BOARD

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = (OVERVIEW, REGISTRY_BOARD, FLEET, LOGS)


def main(folder: Path) -> None:
    """Write the JSON of each board into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        text = json.dumps(dashboard_of(board), cls=JSONEncoder, indent=2, ensure_ascii=False)
        (folder / f"{board.name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
