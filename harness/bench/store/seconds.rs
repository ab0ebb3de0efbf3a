//! What the engine took for a trial's calls.

use anyhow::Result;
use gra_analysis::cost::compute::{CostSplit, EngineSeconds};
use gra_synth::request::Stage;

use super::Store;

impl Store {
    /// The seconds that engines were busy with a trial's calls, whenever that was: of the chunk that
    /// answered a call, an equal share. Stages with a call of which that is unknown are absent.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn engine_seconds(&self, trial: i64) -> Result<EngineSeconds> {
        let mut find = self.db.prepare(
            "WITH size AS (SELECT chunk, count(*) AS n FROM chunk_member GROUP BY chunk)
             SELECT call.stage, sum(seconds / n), sum(iif(shared, 0.0, seconds / n)),
                    count(*) - count(seconds / n)
             FROM call
                 LEFT JOIN completion ON completion.key = call.key
                 LEFT JOIN chunk ON chunk.id = completion.chunk
                 LEFT JOIN size ON size.chunk = chunk.id
             WHERE call.trial = ? GROUP BY call.stage",
        )?;
        let rows = find.query_map([trial], |row| {
            let (stage, unknown): (String, i64) = (row.get(0)?, row.get(3)?);
            let seconds = |column| row.get::<_, Option<f64>>(column);
            Ok((stage, seconds(1)?.zip(seconds(2)?).filter(|_| unknown == 0)))
        })?;
        let mut by_stage = EngineSeconds::new();
        for row in rows {
            let (name, seconds) = row?;
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
            if let (Some(stage), Some((all, own))) = (stage, seconds) {
                by_stage.insert(stage, CostSplit { all, own });
            }
        }
        Ok(by_stage)
    }
}
