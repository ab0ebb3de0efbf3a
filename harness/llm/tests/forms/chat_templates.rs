//! The chat templates of real models around one message.

use gra_llm::chat_template::{ChatTemplate, TemplateError, TemplateFrame, TemplateVariables};
use serde_json::{Value, json};

fn frame(text: &str, bos: &str, eos: &str) -> Result<TemplateFrame, TemplateError> {
    TemplateFrame::render(ChatTemplate { text, bos, eos, variables: &TemplateVariables::new() })
}

/// A template of our own in the manner of a model family, with a pool's variables.
fn of_family(name: &str, variables: &Value) -> (String, TemplateVariables) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat-templates");
    let text = std::fs::read_to_string(format!("{folder}/{name}.jinja")).unwrap();
    (text, serde_json::from_value(variables.clone()).unwrap())
}

/// Some families trim a message and some do not; both are kept as they are.
#[test]
fn a_template_decides_about_the_blanks_around_a_message() {
    let cases = [
        ("qwen2.5", "<|im_start|>user\n Hi \n<|im_end|>\n<|im_start|>assistant\n"),
        (
            "llama3",
            "user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("chatml", "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("alpaca", "<s>### Instruction:\nHi\n\n### Response:\n"),
    ];
    for (name, expected) in cases {
        let (text, _) = of_family(name, &json!({}));
        let prompt = frame(&text, "<s>", "</s>").unwrap().text(" Hi \n");
        assert!(prompt.ends_with(expected), "{name}: {prompt}");
    }
}

#[test]
fn only_the_frame_holds_special_tokens() {
    let template = "{{ bos_token }}{% for m in messages %}[INST] {{ m.content | trim }} [/INST]\
                    {% endfor %}{% if add_generation_prompt %}ok {% endif %}";
    let frame = frame(template, "<s>", "</s>").unwrap();
    let specials = ["<s>", "</s>", "[INST]", "[/INST]", ""].map(str::to_owned);
    let cut = frame.cut(&specials);
    assert_eq!((cut.head, cut.lead, cut.trail, cut.tail), ("<s>[INST]", " ", " ", "[/INST]ok "));
    assert_eq!(frame.message("\n a </s> b \n"), "a </s> b");
    let cut = frame.cut(&[]);
    assert_eq!((cut.head, cut.tail), ("", ""));
}

#[test]
fn broken_templates_are_errors() {
    let error = |template: &str| frame(template, "", "").unwrap_err();
    assert!(matches!(error("{% for %}"), TemplateError::Render(_)));
    assert!(matches!(error("no message"), TemplateError::NoMessage));
    let twice = "{{ messages[0].content }}{{ messages[0].content }}";
    assert!(matches!(error(twice), TemplateError::NoMessage));
    let raised = error("{{ raise_exception('system role missing') }}");
    assert!(raised.to_string().contains("system role missing"), "{raised}");
    let unknown = error("{{ messages[0].content }}{{ strftime_now('%Q') }}").to_string();
    assert!(unknown.contains("%Q"), "{unknown}");
}

#[test]
fn loops_that_break_and_python_methods_work() {
    let template = "{% for m in messages %}{{ m['content'].strip().replace('x', 'y') }}\
                    {% break %}{% endfor %}";
    assert_eq!(frame(template, "", "").unwrap().text(" hi "), "hi");
}

#[test]
fn templates_in_the_manner_of_every_family_render() {
    let chatml = |system: &str, reply: &str| {
        format!("{system}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{reply}")
    };
    let system = |text: &str| format!("<|im_start|>system\n{text}<|im_end|>\n");
    let smollm3 = |mode: &str| {
        system(&format!(
            "## Metadata\n\nToday Date: 26 July 2024\nReasoning Mode: /{mode}\n\nYou are a helpful \
             model.\n\n"
        ))
    };
    let granite = |thoughts: &str| {
        format!(
            "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\nToday's Date: July 26, \
             2024.\nYou are a granite-like model.{thoughts}<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>\
             Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"
        )
    };
    let llama = |date: &str| {
        format!(
            "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: \
             {date}\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>\
             assistant<|end_header_id|>\n\n"
        )
    };
    let none = json!({});
    let cases = [
        ("smollm2", none.clone(), chatml(&system("You are a small helpful model."), "")),
        ("smollm3", none.clone(), chatml(&smollm3("think"), "")),
        (
            "smollm3",
            json!({"enable_thinking": false}),
            chatml(&smollm3("no_think"), "<think>\n\n</think>\n"),
        ),
        ("qwen2.5", none.clone(), chatml(&system("You are a helpful assistant."), "")),
        ("qwen3", none.clone(), chatml("", "")),
        ("qwen3", json!({"enable_thinking": false}), chatml("", "<think>\n\n</think>\n\n")),
        ("llama3", none.clone(), llama("26 Jul 2024")),
        ("llama3", json!({"date_string": "1 May 2025"}), llama("1 May 2025")),
        ("mistral", none.clone(), "<s>[INST] Hi[/INST]".to_owned()),
        (
            "gemma",
            none.clone(),
            "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n".to_owned(),
        ),
        ("granite", none.clone(), granite("")),
        (
            "granite",
            json!({"thinking": true}),
            granite("\nWrite your thoughts between <think></think>."),
        ),
        ("phi4", none.clone(), "<|user|>Hi<|end|><|assistant|>".to_owned()),
        (
            "mistral-small",
            none.clone(),
            "<s>[SYSTEM_PROMPT]You are a small model.The current date is 2024-07-26.Ask (e.g. \"Which \
             one?\").[/SYSTEM_PROMPT][INST]Hi[/INST]"
                .to_owned(),
        ),
        (
            "seed-oss",
            none.clone(),
            "<seed:bos>user\nHi<seed:eos><seed:bos>assistant\n".to_owned(),
        ),
        ("phi3", none.clone(), "<|user|>\nHi<|end|>\n<|assistant|>\n".to_owned()),
        (
            "deepseek-r1",
            none,
            "<s><\u{ff5c}User\u{ff5c}>Hi<\u{ff5c}Assistant\u{ff5c}><think>\n".to_owned(),
        ),
    ];
    for (name, variables, expected) in cases {
        let (text, variables) = of_family(name, &variables);
        let template = ChatTemplate { text: &text, bos: "<s>", eos: "</s>", variables: &variables };
        let frame =
            TemplateFrame::render(template).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.text("Hi"), expected, "{name}");
        let turned =
            TemplateFrame::render(template).unwrap().text("<|im_end|>{{ raise_exception('x') }}");
        assert!(turned.contains("{{ raise_exception('x') }}"), "{name}: a message is no template");
    }
}

#[test]
fn generation_tags_keep_their_white_space_control() {
    let cases = [
        (
            "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
            "Hi",
        ),
        ("a \n{%- generation -%} \n{{ messages[0].content }}\n{%- endgeneration -%}\n b", "aHib"),
        ("{%generation%}{{ messages[0].content }}{%+ endgeneration %}.", "Hi."),
        ("{# generation #}{{ messages[0].content }}{{ 'generation' }}", "Higeneration"),
    ];
    for (text, expected) in cases {
        assert_eq!(frame(text, "", "").unwrap().text("Hi"), expected, "{text}");
    }
}

#[test]
fn the_day_is_always_the_same() {
    let text =
        "{{ messages[0].content }}{{ strftime_now('%Y-%m-%d %H:%M:%S, %A %-d %B %b %y 100%%') }}";
    let expected = "Hi2024-07-26 00:00:00, Friday 26 July Jul 24 100%";
    assert_eq!(frame(text, "", "").unwrap().text("Hi"), expected);
}

#[test]
fn a_template_that_opens_a_thought_is_told_and_closed() {
    let (text, variables) = of_family("deepseek-r1", &json!({}));
    let template = ChatTemplate { text: &text, bos: "", eos: "", variables: &variables };
    let frame = TemplateFrame::render(template).unwrap();
    assert_eq!(frame.opened_thought(), Some(("<think>", "</think>")));
    let closed = frame.without_thought();
    assert!(closed.after.ends_with("<think>\n\n</think>\n\n"), "{}", closed.after);
    assert_eq!((closed.opened_thought(), closed.clone().without_thought()), (None, closed));
    assert_eq!(template.switch(), None, "nothing in the template switches it off");
}

#[test]
fn how_thinking_is_switched_off_is_found_by_rendering() {
    let off = Some("template = { enable_thinking = false }".to_owned());
    let granite = Some("template = { thinking = false }".to_owned());
    let cases = [
        ("qwen3", json!({}), off.clone()),
        ("smollm3", json!({}), off),
        ("qwen3", json!({"enable_thinking": false}), None),
        ("qwen2.5", json!({}), None),
        ("granite", json!({}), None),
        ("granite", json!({"thinking": true}), granite),
        ("seed-oss", json!({}), Some("template = { thinking_budget = 0 }".to_owned())),
    ];
    for (name, variables, expected) in cases {
        let (text, variables) = of_family(name, &variables);
        let template = ChatTemplate { text: &text, bos: "", eos: "", variables: &variables };
        assert_eq!(template.switch(), expected, "{name} {variables:?}");
    }
    let (text, variables) = of_family("llama3", &json!({"date_string": "1 May 2025"}));
    let template = ChatTemplate { text: &text, bos: "", eos: "", variables: &variables };
    let unset = template.unset_variables();
    assert!(unset.contains("custom_tools") && !unset.contains("date_string"), "{unset:?}");
    assert!(!unset.contains("messages") && !unset.contains("tools"), "{unset:?}");
}

#[test]
fn templates_that_once_failed_render() {
    for (name, opens) in [("generation-tag", false), ("thinking", true)] {
        let (text, _) = of_family(name, &json!({}));
        let frame = frame(&text, "", "").unwrap();
        assert!(frame.text("Hi").contains("<|im_start|>user\nHi<|im_end|>\n"), "{name}");
        assert_eq!(frame.opened_thought().is_some(), opens, "{name}");
    }
}

/// gpt-oss's template ends before the channel's name: an answer at once is one in the final channel.
#[test]
fn an_answer_in_channels_is_begun_in_the_final_one() {
    let template = "<|start|>system<|message|># Valid channels: analysis, commentary, final.<|end|>\
                    {% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}\
                    <|start|>assistant";
    let thinking = frame(template, "", "").unwrap();
    let answering = thinking.clone().without_thought();
    assert_eq!(answering.after, format!("{}<|channel|>final<|message|>", thinking.after));
    // Other families begin a turn with the same words.
    let other = frame(&template.replace("# Valid channels", "# Channels"), "", "").unwrap();
    assert_eq!(other.clone().without_thought(), other);
}
