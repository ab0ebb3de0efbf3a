//! A data set becomes a trained model, by LLaMA-Factory.
