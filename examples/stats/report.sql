-- SPDX-License-Identifier: MIT
-- report.sql - what stats.py found, as sqlite3 prints it.
.mode column
.headers on
PRAGMA integrity_check;
CREATE INDEX IF NOT EXISTS tone_pixels ON tone(pixels);
SELECT count(*) AS pictures, sum(width * height) / 1000000 AS megapixels
  FROM picture;
SELECT substr(name, 1, 40) AS picture, width, height, round(mean, 2) AS mean,
       (SELECT tone FROM tone WHERE tone.name = picture.name
         ORDER BY pixels DESC, tone LIMIT 1) AS commonest,
       (SELECT round(100.0 * sum(pixels) FILTER (WHERE tone > 127)
                     / sum(pixels), 2)
          FROM tone WHERE tone.name = picture.name) AS bright_percent
  FROM picture ORDER BY bright_percent DESC, name LIMIT 10;
WITH RECURSIVE octave(low) AS (
  SELECT 1 UNION ALL SELECT low * 2 FROM octave WHERE low < 128)
SELECT low, sum(pixels) AS pixels
  FROM octave JOIN tone ON tone.tone BETWEEN low AND low * 2 - 1
 GROUP BY low ORDER BY low;
