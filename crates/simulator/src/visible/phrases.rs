//! The stock of phrasings. Slots: `{area}`, `{price}`, `{when}`, `{home}`, `{agent}`, `{name}`.

pub(crate) const FIRST_NAMES: [&str; 24] = [
    "Alex", "Sam", "Jordan", "Taylor", "Casey", "Robin", "Morgan", "Jamie", "Drew", "Avery", "Riley", "Quinn", "Rowan",
    "Kendall", "Skyler", "Emerson", "Harper", "Parker", "Reese", "Sage", "Dana", "Lee", "Kit", "Noel",
];
pub(crate) const LAST_NAMES: [&str; 20] = [
    "Hill", "Brook", "Field", "Wood", "Stone", "Marsh", "Lake", "Ford", "Banks", "Glen", "Heath", "Moor", "Vale",
    "Forest", "Rivers", "Meadows", "Shore", "Cliff", "Dale", "Grove",
];
pub(crate) const WHENS: [&str; 12] = [
    "this weekend", "on Saturday", "tomorrow after work", "next week", "Thursday evening", "any day after five",
    "the end of the month", "around lunch on Friday", "Sunday afternoon", "in the next few days", "Monday morning",
    "once I am back in town",
];
pub(crate) const HOMES: [&str; 10] = [
    "the one with the porch", "a three bedroom", "the brick one", "something with a yard", "the corner unit",
    "a place with a garage", "the one on your site", "a townhouse", "something smaller", "the new build",
];
pub(crate) const GREETINGS: [&str; 9] = [
    "Hi, this is {agent} from the brokerage, is this {name}?",
    "Good morning {name}, {agent} here, you asked about homes in {area}.",
    "Hello {name}, {agent} calling, do you have a minute?",
    "Hey {name}, it's {agent}. I saw you were looking in {area}.",
    "Hi there, {agent} speaking, thanks for picking up.",
    "Hello, am I speaking with {name}? This is {agent}.",
    "Good afternoon, {agent} from the office in {area}.",
    "Hi {name}, {agent} again, just following up.",
    "Hello {name}, is now an okay time?",
];
pub(crate) const ANSWERS: [&str; 12] = [
    "Yes, speaking.", "Hi, yeah, this is me.", "Hello?", "Oh hi, yes.", "Yeah, who is this again?",
    "Hi {agent}, good to hear from you.", "Yes, what's this about?", "Hey. I'm at work but go ahead.",
    "Sure, I have a minute.", "Hi, sorry, it's loud here.", "Yep.", "Oh right, the house thing.",
];
pub(crate) const QUESTIONS: [&str; 16] = [
    "What are you looking for right now?", "How soon would you like to move?", "Do you have a price range in mind?",
    "Have you talked to a lender yet?", "Which parts of {area} do you like?", "Would you like to see {home}?",
    "Are you working with anybody at the moment?", "How did you like what I sent?", "Is there anything that worries you?",
    "Do you own a home now?", "What would make this easy for you?", "Did you see the one near {price}?",
    "Can I set something up {when}?", "Okay, and what else matters to you?", "I see. Tell me a little more.",
    "Got it. What's the next step for you?",
];
pub(crate) const EAGER: [&str; 12] = [
    "We love {home}, it's exactly what we want.",
    "This sounds great, let's move on it.",
    "I'm really excited, we've been waiting for something like this.",
    "Perfect, what do you need from me to get going?",
    "Honestly that place is wonderful, I don't want to lose it.",
    "Yes! Please send me the paperwork.",
    "That works for us, I'd be happy to make an offer around {price}.",
    "We're ready, we just need someone good to help us.",
    "I like it a lot. What did the others go for?",
    "You've been so helpful, thank you, let's do it.",
    "Could we lock something in {when}?",
    "That's good news, I was hoping you'd call.",
];
pub(crate) const MILD: [&str; 12] = [
    "It's nice, I'd like to know a bit more.",
    "Maybe. Can you send me a few more like it?",
    "We're looking around, nothing decided.",
    "I've been browsing your site, there are some good ones.",
    "It could work, I need to think about it.",
    "I'd be open to it if the numbers make sense.",
    "Sure, keep me posted.",
    "I want to compare a couple of places first.",
    "My partner would have to see it too.",
    "Okay, that's helpful.",
    "Not bad. What are the fees like?",
    "I'm curious what's out there.",
];
pub(crate) const RELUCTANT: [&str; 12] = [
    "I don't really have time for this.",
    "I'm not sure this is for us.",
    "We're probably going to stay where we are.",
    "I was only looking, to be honest.",
    "You people call a lot.",
    "It's not a good moment.",
    "I don't think we can make that work.",
    "I didn't like the last one at all.",
    "Hm, I have my doubts.",
    "It's more hassle than I thought.",
    "I'm a bit disappointed, nobody answered last time.",
    "No hurry on our side, really.",
];
pub(crate) const REFUSAL: [&str; 10] = [
    "Please take me off your list.",
    "No, we're not interested anymore.",
    "Stop calling me, please.",
    "We already bought something, thanks.",
    "We've decided against moving.",
    "I never asked for a call.",
    "No thank you. Goodbye.",
    "This isn't going to happen, sorry.",
    "You have the wrong idea, I'm not buying.",
    "We signed with somebody else last week.",
];
pub(crate) const MONEY: [&str; 9] = [
    "We'd like to stay under {price}.",
    "Our budget is around {price}, maybe a little more.",
    "I can go to {price} if it's the right place.",
    "Somewhere near {price}.",
    "What does {price} get me in {area}?",
    "{price} is the ceiling for us.",
    "I'm thinking {price}, give or take.",
    "Not more than {price}, I think.",
    "Between that and {price} I'd be comfortable.",
];
pub(crate) const SOON: [&str; 9] = [
    "Our lease is up soon, so we need something now.",
    "I start the new job next month.",
    "As soon as possible, really.",
    "We have to be out in six weeks.",
    "I'd sign today if the right one came up.",
    "We want to close before the end of the season.",
    "The sooner the better.",
    "We've already given notice.",
    "I can move right away.",
];
pub(crate) const LATER: [&str; 9] = [
    "Maybe next year.",
    "We're in no rush.",
    "Call me again in a few months.",
    "It depends on my job, so not yet.",
    "We want to wait for rates to come down.",
    "Not before the lease ends, and that's a while.",
    "It's more of a someday thing.",
    "Let me get through the holidays first.",
    "Down the road, sure.",
];
pub(crate) const FINANCING: [&str; 9] = [
    "I'm already pre-approved with my bank.",
    "The lender wants two more documents and then we're set.",
    "We'd pay cash.",
    "I still have to talk to somebody about a mortgage.",
    "What rate are people getting these days?",
    "I got a letter from the credit union.",
    "My credit isn't great, would that be a problem?",
    "We have the down payment together.",
    "I haven't looked into financing yet.",
];
pub(crate) const PRICE: [&str; 9] = [
    "That's too expensive for what it is.",
    "{price}? That seems high.",
    "Prices in {area} are crazy.",
    "I can't afford that.",
    "Would they take less than {price}?",
    "The one down the road went for less.",
    "Rates make it hard right now.",
    "It's over our budget, I'm afraid.",
    "I don't want to overpay.",
];
pub(crate) const OTHER_AGENT: [&str; 7] = [
    "We're already working with an agent.",
    "Somebody else is showing us places too.",
    "My cousin is a realtor, so.",
    "I've talked to two other brokerages.",
    "We have somebody, but we're not under contract.",
    "The other office got back to me faster.",
    "I filled in a few of these forms.",
];
pub(crate) const VIEWING: [&str; 10] = [
    "Can we see it {when}?",
    "I'd like to look at {home} in person.",
    "When could I come by?",
    "Is it possible to get a showing {when}?",
    "We could drive over {when}.",
    "Could you show us two or three {when}?",
    "Is there an open house?",
    "I'd want to walk through it before anything else.",
    "Would {when} work to visit?",
    "Let's set up a tour.",
];
pub(crate) const AREA: [&str; 8] = [
    "How far is it from downtown {area}?",
    "Is it noisy around there?",
    "We like the west side of {area}.",
    "Is there parking?",
    "What's the commute like?",
    "I don't know {area} very well yet.",
    "Are there parks close by?",
    "We'd like to stay close to the train.",
];
pub(crate) const SELLING: [&str; 8] = [
    "What do you think my house is worth?",
    "We'd have to sell ours first.",
    "How long do homes take to sell in {area} now?",
    "What's your commission?",
    "I was hoping for about {price} for it.",
    "Should I fix the kitchen before listing?",
    "We're thinking of listing in the spring.",
    "The neighbours got {price} for theirs.",
];
pub(crate) const BESIDE: [&str; 10] = [
    "Sorry, the dog is barking.",
    "Can you hear me?",
    "Hold on one second.",
    "I'm in the car, say that again?",
    "It's been raining all week here.",
    "Did you get my e-mail?",
    "What was your name again?",
    "I thought you were the plumber.",
    "Hm.",
    "Right, okay.",
];
pub(crate) const CLOSINGS: [&str; 8] = [
    "I'll send you something today.",
    "Thanks for your time, {name}.",
    "I'll follow up {when}.",
    "Great talking to you, I'll be in touch.",
    "Okay, I'll make a note of that.",
    "Let me check and get back to you.",
    "Alright, have a good one.",
    "I'll e-mail you the details.",
];
pub(crate) const GOODBYES: [&str; 9] = [
    "Thanks, bye.", "Okay, talk soon.", "Thank you so much.", "Bye.", "Alright.", "Sounds good, bye.", "Yeah, okay, bye.",
    "Thanks for calling.", "See you then.",
];
pub(crate) const FILLERS: [&str; 10] =
    ["Um,", "Well,", "So,", "You know,", "Honestly,", "Look,", "Right,", "Uh,", "Let me think,", "I mean,"];
pub(crate) const TAILS: [&str; 8] = [
    "if that's okay.", "you know?", "I guess.", "please.", "or something like that.", "right?", "thanks.", "sorry.",
];
pub(crate) const REMINDERS: [&str; 8] = [
    "Hi {name}, {agent} here, I just tried to call you. When is a good time?",
    "Hello {name}, are you still looking in {area}?",
    "{name}, I found two homes you may like. May I send them?",
    "Hi, it's {agent}. Call me back whenever it suits you.",
    "New listing near {price} in {area}, shall I set up a visit {when}?",
    "Hi {name}, did you have a chance to look at {home}?",
    "Quick note from {agent}: happy to answer questions any time.",
    "Sorry I missed you, {name}. Does {when} work for a short call?",
];
