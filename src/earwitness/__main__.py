"""python -m earwitness"""

from earwitness.cli.main import main

main()
