//! Ten thousand ways to tamper with a log, by somebody who has the database and the file of checkpoints but not the key.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use leadscore_domain::{LeadId, Timestamp};
use uuid::Uuid;

use super::{
    Act, Actor, Object,
    chain::{Block, NOTHING, leaf, root},
    checkpoint::{CheckpointFile, Point},
    entry::{Entry, pack, read, unpack},
    verify::{Chain, Fault},
};

const TAMPERS: u64 = 10_000;
const BLOCKS: i64 = 12;

/// Repeatable randomness: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.roll() % count as u64) as usize
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let place = self.below(bytes.len());
        bytes[place] ^= 1 << self.below(8);
    }
}

/// A log with its file of checkpoints.
#[derive(Clone, PartialEq)]
struct Log {
    blocks: Vec<Block>,
    checkpoints: Vec<u8>,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_366_400_000_000 + seconds * 1_000_000).unwrap()
}

fn entry(number: i64) -> Vec<u8> {
    let act = Act {
        at: at(number),
        actor: Actor::CLI,
        operation: "show_score".into(),
        object: Some(Object::Lead(LeadId(Uuid::from_u128(number.unsigned_abs().into())))),
        status: 200,
        reason: None,
        address: None,
        request_id: None,
    };
    Entry { act, reason: None, count: 1 }.to_bytes()
}

impl Log {
    /// A log of some blocks, of which every third and the last have checkpoints.
    fn new() -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        let mut points = Vec::new();
        for sequence in 1..=BLOCKS {
            let (first_entry, previous_hash) = blocks
                .last()
                .map_or((1, NOTHING.to_vec()), |last| (last.first_entry + last.entry_count, last.hash.clone()));
            let count = 1 + sequence % 4;
            let entries: Vec<Vec<u8>> = (first_entry..first_entry + count).map(entry).collect();
            let mut block = Block {
                sequence,
                since: at(first_entry),
                at: at(100 + sequence),
                first_entry,
                entry_count: count,
                has_checkpoint: sequence % 3 == 0,
                previous_hash,
                root: root(entries.iter().map(|entry| leaf(entry)).collect()).to_vec(),
                hash: Vec::new(),
                signature: Vec::new(),
                entries: pack(&entries).unwrap(),
            };
            block.seal(&key());
            if block.has_checkpoint {
                let hash: [u8; 32] = block.hash.clone().try_into().unwrap();
                points.push(Point { sequence, hash, entries: first_entry + count - 1, at: block.at });
            }
            blocks.push(block);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit/checkpoints.jsonl");
        let file = CheckpointFile::new(path.clone(), key());
        let (first, rest) = points.split_at(2);
        file.append(first).unwrap();
        file.append(rest).unwrap();
        assert_eq!(file.last().unwrap(), Some(BLOCKS));
        Self { blocks, checkpoints: std::fs::read(path).unwrap() }
    }

    fn verify(&self) -> Result<(), Fault> {
        let mut chain = Chain::new(key().verifying_key());
        for block in &self.blocks {
            chain.follow(block)?;
        }
        chain.compare(&[(PathBuf::from("checkpoints.jsonl"), self.checkpoints.clone())], i64::MAX).map(|_| ())
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.checkpoints.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn tamper(&mut self, dice: &mut Dice) {
        match dice.below(3) {
            0 => self.tamper_with_a_block(dice),
            1 => self.tamper_with_an_entry(dice),
            _ => self.tamper_with_checkpoints(dice),
        }
    }

    fn tamper_with_a_block(&mut self, dice: &mut Dice) {
        let (place, other) = (dice.below(self.blocks.len()), dice.below(self.blocks.len()));
        match dice.below(14) {
            0 => self.blocks[place].sequence ^= 1 << dice.below(62),
            1 => self.blocks[place].since = at(dice.below(1_000_000) as i64 + 2_000),
            2 => self.blocks[place].at = at(dice.below(1_000_000) as i64 + 2_000),
            3 => self.blocks[place].first_entry ^= 1 << dice.below(62),
            4 => self.blocks[place].entry_count ^= 1 << dice.below(62),
            5 => self.blocks[place].has_checkpoint ^= true,
            6 => dice.flip(&mut self.blocks[place].previous_hash),
            7 => dice.flip(&mut self.blocks[place].root),
            8 => dice.flip(&mut self.blocks[place].hash),
            9 => dice.flip(&mut self.blocks[place].signature),
            10 => dice.flip(&mut self.blocks[place].entries),
            11 => {
                self.blocks.remove(place);
                if dice.below(2) == 0 {
                    self.forge_from(place);
                }
            }
            12 => self.blocks.truncate(place),
            _ => {
                let copy = self.blocks[other].clone();
                self.blocks.insert(place, copy);
                if dice.below(2) == 0 {
                    self.forge_from(place);
                }
            }
        }
        if self.blocks.len() > 1 && dice.below(4) == 0 {
            self.blocks.swap(0, 1);
        }
    }

    /// Alters the entries of a block as if they had always been so.
    fn tamper_with_an_entry(&mut self, dice: &mut Dice) {
        let place = dice.below(self.blocks.len());
        let mut entries = unpack(&self.blocks[place].entries).unwrap();
        let which = dice.below(entries.len());
        match dice.below(5) {
            0 => {
                entries.remove(which);
            }
            1 => entries.insert(which, entry(dice.below(1_000) as i64)),
            2 => entries.rotate_left(1),
            3 => {
                let mut altered = read(&entries[which]).unwrap();
                altered.act.status = dice.below(999) as u16;
                entries[which] = altered.to_bytes();
            }
            _ => {
                let other = dice.below(self.blocks.len());
                entries = unpack(&self.blocks[other].entries).unwrap();
            }
        }
        let block = &mut self.blocks[place];
        block.entry_count = entries.len() as i64;
        block.root = root(entries.iter().map(|entry| leaf(entry)).collect()).to_vec();
        block.entries = pack(&entries).unwrap();
        if dice.below(2) == 0 {
            self.forge_from(place);
        }
    }

    /// Makes the chain hang together again, with a key of the forger's own.
    fn forge_from(&mut self, place: usize) {
        let forged = SigningKey::from_bytes(&[8; 32]);
        for index in place..self.blocks.len() {
            let (first_entry, previous_hash) = match index.checked_sub(1).map(|before| &self.blocks[before]) {
                Some(before) => (before.first_entry + before.entry_count, before.hash.clone()),
                None => (1, NOTHING.to_vec()),
            };
            let block = &mut self.blocks[index];
            (block.sequence, block.first_entry, block.previous_hash) = (index as i64 + 1, first_entry, previous_hash);
            block.seal(&forged);
        }
    }

    fn tamper_with_checkpoints(&mut self, dice: &mut Dice) {
        let mut lines = self.lines();
        let (place, other) = (dice.below(lines.len()), dice.below(lines.len()));
        match dice.below(6) {
            0 => {
                lines.remove(place);
            }
            1 => lines.swap(place, other),
            2 => {
                let copy = lines[other].clone();
                lines.insert(place, copy);
            }
            3 => dice.flip(&mut lines[place]),
            4 => lines.truncate(place),
            _ => {
                let cut = dice.below(lines[place].len());
                lines[place].truncate(cut);
                lines.truncate(place + 1);
            }
        }
        self.checkpoints = lines.concat();
    }
}

#[test]
fn every_tamper_is_found() {
    let log = Log::new();
    log.verify().unwrap();
    let mut dice = Dice(7);
    let mut done = 0;
    while done < TAMPERS {
        let mut tampered = log.clone();
        tampered.tamper(&mut dice);
        if tampered != log {
            done += 1;
            assert!(tampered.verify().is_err(), "tamper {done} was not found");
        }
    }
}

#[test]
fn the_first_bad_block_is_named() {
    for place in 0..BLOCKS as usize {
        let mut log = Log::new();
        for block in &mut log.blocks[place..] {
            block.entries[3] ^= 1;
        }
        let fault = log.verify().unwrap_err();
        let first_entry = log.blocks[place].first_entry;
        assert!(
            fault.to_string().starts_with(&format!("block {} (entries from {first_entry} on)", place + 1)),
            "{fault}"
        );
    }
}
