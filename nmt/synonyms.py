"""The words that people bring from other toolkits, and what the same thing is called here.

Sources: the options of fairseq, OpenNMT-py, JoeyNMT, Marian, Sockeye, Hugging Face transformers and PyTorch Lightning.
"""

from collections.abc import Container


def read_table(text: str) -> dict[str, tuple[str, ...]]:
    """A table of lines `ours, ours: theirs theirs ...`, which go on where they are indented, as theirs -> ours."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.replace("\n    ", " ").strip().splitlines():
        ours, theirs = line.split(": ", 1)
        found.update(dict.fromkeys(theirs.split(), tuple(ours.split(", "))))
    return found


SYNONYMS = read_table(
    """
optimizer.learning_rate: lr learn_rate eta max_lr
optimizer: optim optimiser optimizer_name
schedule: scheduler lr_scheduler scheduling decay_method
optimizer.weight_decay: wd l2 weight_decay_rate
schedule.warmup_steps: warmup warmup_updates warm_up num_warmup_steps lr_warmup
optimizer.beta1, optimizer.beta2: betas adam_betas adam_beta1
optimizer.eps: adam_eps epsilon
training.clip_norm: max_grad_norm clip clip_grad grad_clip clip_grad_norm gradient_clip_val gradient_clipping
training.accumulate: accum_count update_freq grad_accum gradient_accumulation_steps accumulate_grad_batches
training.label_smoothing: smoothing ls
batching.tokens, batching.max_sentences, tokens: batch_size batch bsz bs batchsize max_tokens mini_batch
    train_batch_size
batching.max_sentences, tokens: max_sentences sentences_per_batch per_device_train_batch_size
training.stop.epochs: epochs epoch max_epochs max_epoch num_epochs n_epochs num_train_epochs after_epochs
training.stop.steps: steps max_steps train_steps num_steps max_update max_updates updates iterations
training.stop.minutes, launcher.minutes: max_time time_limit stop_min timeout
training.stop.patience, schedule.patience: patience early_stopping early_stop early_stopping_patience
training.validation.every_steps, training.validation.every_epochs: valid_steps eval_steps eval_interval
    eval_every val_check_interval validate_interval validation_freq valid_freq save_steps save_interval
    save_every save_checkpoint_steps checkpoint_interval save_freq
training.log_every: log_interval logging_steps report_every log_every_n_steps disp_freq logging_freq
training.keep.last, training.keep.best: save_total_limit keep_checkpoint keep_last_epochs save_top_k
    keep_best_ckpts
training.validation.metric: metric_for_best_model early_stopping_metric eval_metric monitor
model.encoder.layers, model.decoder.layers: layers num_layers n_layers depth enc_layers dec_layers nlayers
model.encoder.hidden_size, model.decoder.hidden_size: hidden hidden_dim hidden_units rnn_size d_model dim
    hid_dim enc_rnn_size nhid
model.encoder.feed_forward_size, model.decoder.feed_forward_size: d_ff ffn_dim dim_feedforward ffn_embed_dim
    transformer_ff ff_size feed_forward_dim
model.embedding_size: emb_size embed_dim emb_dim embedding_dim word_vec_size emb dim_emb
model.dropout.embedding, model.dropout.readout, model.encoder.dropout, model.decoder.dropout: dropout drop
    dropout_rate p_dropout emb_dropout
model.encoder.attention_dropout, model.decoder.attention_dropout: attn_dropout attention_probs_dropout_prob
    transformer_dropout_attention
model.encoder.activation_dropout, model.decoder.activation_dropout: relu_dropout ffn_dropout act_dropout
    transformer_dropout_ffn
model.encoder.norm, model.decoder.norm: norm_first normalize_before layer_norm encoder_normalize_before
    decoder_normalize_before prenorm pre_norm
model.encoder.positions.name, model.decoder.positions.name: positional_encoding position_encoding pos_encoding
    learned_pos encoder_learned_pos decoder_learned_pos
model/encoder: rnn_type rnn enc_cell bidirectional brnn encoder_type
model.decoder.cell: cell cell_type dec_cell
model/decoder: decoder_type dec_type
model.decoder.input_feeding: input_feed feed_input
attention, attention/score: attn att attention_type global_attention attention_mechanism
attention/normalizer: global_attention_function attention_function
attention.heads: num_heads n_heads nhead attention_heads
model.tied: share_embeddings tied_embeddings tie_embeddings tie share_all_embeddings share_decoder_embeddings
data.train.source, input, source: src train_src src_train train_source source_file src_file source_path
data.train.target, target: tgt trg train_tgt tgt_train train_target target_file tgt_file tgt_path
data.validation.source: valid_src val_src dev_src src_valid
data.validation.target: valid_tgt val_tgt dev_tgt tgt_valid
data.test.source: test_src src_test
data.test.target: test_tgt tgt_test
data: trainpref train train_set train_file train_sets dataset corpus
data.source_language: src_lang source_lang src_language lang_src from_lang
data.target_language, language: tgt_lang target_lang tgt_language trg_lang lang_tgt to_lang lang
tokenizer.vocab_size: vocab vocabulary_size src_vocab_size tgt_vocab_size dim_vocabs n_vocab bpe_ops num_merges
    merges bpe_merges
tokenizer.joint: share_vocab joined_dictionary shared_vocab joint_vocab share_vocabulary
tokenizer.character_coverage, search.coverage: coverage
tokenizer.sampling: bpe_dropout subword_sampling src_subword_alpha alpha_sampling
tokenizer.symbols: user_defined_symbols special_tokens protected_symbols control_symbols
bleu.tokenize: tokenize tok tokenization
tokenizer: bpe subword sentencepiece model_type tokenizer_type
filters.overfit: overfit_batches overfit_batch overfit_single_batch
filters.max_length, max_source, max_length: max_len max_seq_len max_seq_length src_seq_length max_sent_length
    max_source_length seq_len
search.size: beam beam_size num_beams beam_width beams
search.nbest: n_best num_return_sequences n_best_list
search.length_penalty, search.alpha: lenpen length_normalization normalize
search.alpha: beam_alpha length_penalty_alpha
search.max_extra, search.max_ratio: max_new_tokens max_output_length max_len_b
search.max_ratio: max_len_a max_length_factor max_ratio_length
search.no_repeat_ngram: block_ngram_repeat no_repeat_ngram_size no_repeat
search.no_repeat_exempt: ignore_when_blocking
search.groups: diverse_beam_groups num_beam_groups beam_groups
search.diversity: diverse_beam_strength diversity_penalty diversity_strength diversity_rate
prefix: tgt_prefix target_prefix prefix_size prefix_allowed_tokens
search: decoding generation strategy do_sample sample
search.temperature: temp sampling_temperature
search.top_k: topk sampling_topk
search.top_p: topp sampling_topp nucleus
device: gpu gpus n_gpu num_gpus gpuid gpu_ranks cuda use_cuda use_gpu no_cuda accelerator devices cpu_only
training.precision, precision: fp16 bf16 amp half mixed_precision dtype use_amp autocast
training.compile: torch_compile compile_model jit torchscript
threads: num_threads cpu_threads n_threads omp_num_threads inter_threads
processes, jobs, threads: num_workers workers dataloader_num_workers n_jobs parallel
seed, seeds: random_seed manual_seed rng_seed
output: output_dir out_dir save_dir save_model model_dir save_to exp_dir run_dir out checkpoint_dir ckpt_dir
    default_root_dir run_name exp_name output_file output_path
init: train_from restore_file load_model resume_from_checkpoint resume_from pretrained finetune_from_model
    pretrained_model init_from warm_start
cache: cache_dir data_bin destdir
model.folder: ckpt checkpoint model_path model_file models model_name_or_path path
input, source: input_file text infile in file stdin
references: ref refs reference gold references_file
hypotheses: hyp hyps hypothesis sys pred preds predictions mt system
"""
)
"""A word of theirs, in lower case with underscores -> settings of ours, of which a command names those that it has."""

VALUES = read_table(
    """
off: no none disabled
inductor: true torch_compile torch.compile default
cuda_graphs: cudagraphs reduce-overhead
cuda: gpu nvidia cuda:0 gpu:0 0 cuda0
mps: metal apple m1
bfloat16: fp16 float16 half bf16 16 mixed amp 16-mixed bf16-mixed
float32: fp32 float full 32 single 32-true
int8: int4 8bit quantized uint8
perplexity: ppl perplexities
bleu: bleu4 sacrebleu bleu-4
loss: nll xent cross_entropy ce val_loss eval_loss
chrf: chrf2 chrf++
average: avg mean length
gnmt: wu google
json: jsonl jsonlines
text: txt plain raw
nbest: n_best moses
"""
)
"""A value of theirs, in lower case -> ours, for settings that have it."""

ANSWERS = {
    word: answer
    for words, answer in {
        "wandb tensorboard tb mlflow logger report_to tensorboard_log_dir wandb_project log_dir": (
            "A run writes its metrics to metrics.jsonl in its folder, and to tensorboard/ there where TensorBoard is "
            "installed (pip install 'tensorboard>=2.18'). There is nothing to set."
        ),
        "verbose quiet log_level debug_mode": (
            "Results go to standard output, progress and messages to standard error. There is nothing to set."
        ),
        "shuffle buffer_size bucket_size pin_memory prefetch": (
            "Training pairs are always shuffled and sorted into batches of similar length, in a thread of their own; "
            "batching.pool says among how many."
        ),
        "lowercase lower_case lc do_lower_case": (
            "tokenizer.normalization=nmt_nfkc_cf lower-cases the text before it is cut into pieces."
        ),
    }.items()
    for word in words.split()
}
"""A word of theirs that nmt-train has no setting for -> what takes its place."""


def normalize(word: str) -> str:
    """A word as the tables have it."""
    return word.lower().replace("-", "_")


def find_settings(key: str, known: Container[str]) -> list[str]:
    """What another toolkit's setting is called here, of those that are `known`; the last part of a key is enough."""
    names = SYNONYMS.get(normalize(key), ()) or SYNONYMS.get(normalize(key.split(".")[-1]), ())
    return [name for name in names if name in known]


def find_value(value: object, options: Container[str]) -> str | None:
    """What another toolkit's value is called here, if that is one of the options."""
    return next((name for name in VALUES.get(str(value).lower(), ()) if name in options), None)
