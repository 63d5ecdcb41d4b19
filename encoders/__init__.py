"""Text and users in one space.

What one can do is on this level: `train`, `score`, `forecast`. The rooms, each built on those before it:
`sources` (where events come from), `history`, `language`, `model`, `training`, `calibration`, `tuning`, `benchmark`.
"""
