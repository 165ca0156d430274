package catalog

import "strings"

// The names of the questions: form fields, JSON fields and columns carry them.
const (
	Age       = "age"
	Gender    = "gender"
	State     = "state"
	Situation = "situation"
	Interest  = "interest"
)

// Unspecified is the answer to the question of gender that says nothing and excludes nothing.
const Unspecified = "unspecified"

// A Question is one of the five, with the answers it takes.
type Question struct {
	Name    string
	Title   string
	Help    string
	Several bool // it takes any number of answers, none among them; otherwise exactly one
	Options []Option
}

// An Option is one answer to a question.
type Option struct {
	Value  string // in forms, in JSON and in the database
	Label  string // on the page
	Reason string // why a ministry is suggested to whoever gave this answer
}

// Option returns the option with that value and reports whether there is one.
func (q Question) Option(value string) (Option, bool) {
	for _, o := range q.Options {
		if o.Value == value {
			return o, true
		}
	}
	return Option{}, false
}

// Values returns the values of the question's options for a message, separated by commas.
func (q Question) Values() string {
	values := make([]string, len(q.Options))
	for i, o := range q.Options {
		values[i] = o.Value
	}
	return strings.Join(values, ", ")
}

// Questions returns the five questions in the order in which they are asked. The caller must not change them.
func Questions() []Question { return questions }

var questions = []Question{
	{
		Name: Age, Title: "How old are you?",
		Help: "Looking for someone else? Answer for them.",
		Options: []Option{
			{"child", "Under 11", "Made for children"},
			{"middle-school", "11 to 13", "Made for your age"},
			{"high-school", "14 to 17", "Made for your age"},
			{"young-adult", "18 to 29", "Made for young adults"},
			{"adult", "30 to 64", "Made for your age"},
			{"senior", "65 or older", "Made for seniors"},
		},
	},
	{
		Name: Gender, Title: "Are you …",
		Help: "A few groups are for women or for men; most are for everyone.",
		Options: []Option{
			{"female", "a woman or girl", "For women"},
			{"male", "a man or boy", "For men"},
			{Unspecified, "I’d rather not say", ""},
		},
	},
	{
		Name: State, Title: "Where are you in life?", Several: true,
		Help: "Choose all that fit, or none.",
		Options: []Option{
			{"single", "Single", "For single people"},
			{"engaged", "Dating or engaged", "For couples on their way to marriage"},
			{"married", "Married", "For married couples"},
			{"parent", "Parent or guardian", "For parents"},
			{"separated", "Separated or divorced", "For people who are separated or divorced"},
			{"widowed", "Widowed", "For widows and widowers"},
			{"consecrated", "Ordained or consecrated", "For ordained and consecrated people"},
		},
	},
	{
		Name: Situation, Title: "What is going on for you just now?", Several: true,
		Help: "Choose all that fit, or none. What you say here is not kept with your name.",
		Options: []Option{
			{"new-here", "I’m new to the parish", "You are new here"},
			{"returning", "I’m coming back to the Church", "You are coming back"},
			{"exploring", "I’m curious about the Catholic faith", "You are curious about the faith"},
			{"sacrament", "I’m preparing for a sacrament", "You are preparing for a sacrament"},
			{"looking-for-friends", "I’d like to make friends", "You would like to make friends"},
			{"short-of-time", "I have only a little time", "It needs only a little time"},
			{"newly-retired", "I have time to give", "You have time to give"},
			{"expecting", "I’m expecting, or have a baby", "You are expecting or have a baby"},
			{"grieving", "I’m grieving", "You are grieving"},
			{"unwell", "I’m ill, or care for someone who is", "You are ill or care for someone"},
			{"struggling", "Money, food or housing is short", "Help when things are short"},
		},
	},
	{
		Name: Interest, Title: "What would you enjoy?", Several: true,
		Help: "Choose as many as you like. These count most.",
		Options: []Option{
			{"prayer", "Prayer", "You enjoy prayer"},
			{"scripture", "Reading the Bible", "You enjoy reading the Bible"},
			{"liturgy", "Helping at Mass", "You would like to help at Mass"},
			{"music", "Music and singing", "You enjoy music"},
			{"teaching", "Teaching", "You enjoy teaching"},
			{"young-people", "Children and teenagers", "You enjoy being with young people"},
			{"care", "Visiting and comforting", "You like to comfort others"},
			{"service", "Helping people in need", "You like to help people in need"},
			{"justice", "Justice, life and creation", "You care for justice, life and creation"},
			{"hospitality", "Cooking and welcoming", "You enjoy cooking and welcoming"},
			{"fellowship", "Good company", "You enjoy good company"},
			{"creative", "Art, flowers and crafts", "You enjoy making things"},
			{"hands-on", "Repairs and gardening", "You like to work with your hands"},
			{"sports", "Sport and outdoors", "You enjoy sport and outdoors"},
			{"media", "Sound, photos and the web", "You enjoy sound, photos and the web"},
			{"organizing", "Organizing and finances", "You like to organize"},
		},
	},
}
